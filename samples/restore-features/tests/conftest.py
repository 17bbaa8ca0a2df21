pytest_plugins = ["restore.testing.fixtures"]
