"""How whatever transformers finds in a folder or on the hub is read."""

NO_CODE = {"trust_remote_code": False}
"""Python code that lies there is never run, and nobody is asked whether it may."""
