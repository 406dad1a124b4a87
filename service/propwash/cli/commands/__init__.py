"""The commands, one module each; propwash.cli.main names them."""
