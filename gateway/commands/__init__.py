"""The commands of the CLI, one file each. The heavy imports stand in the commands, so that --help answers at once."""
