"""What the commands do, without printing: the command line, the pytest plugin and the Python API call these modules.

Progress goes to a `display` that is handed in; messages are returned, or handed to a callable.
"""
