"""The command line, one module a command group; each parses, calls the library and prints."""
