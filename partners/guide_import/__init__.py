"""Makes guides of tables that people own: pyx12's map files (maps.py), or tables in one documented layout (tables.py), written by folder.py."""
