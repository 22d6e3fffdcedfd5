"""One module per command, each with a `command`; `breakbulk.cli.main` loads the one that is called."""
