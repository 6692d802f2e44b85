"""Data only: dictionaries, guides, mappings and code lists. partners/ reads them; nothing here runs."""
