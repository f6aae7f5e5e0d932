"""The commands: their words, and what each does; `cli` puts them together and runs one."""
