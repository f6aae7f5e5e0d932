"""The one exception that means: what the user gave is at fault, not the program."""


class InputError(Exception):
    """A user's input cannot be used.

    Its text is one sentence that names the file or field, the value, and the way out. The command
    line prints it and exits with status 1.
    """
