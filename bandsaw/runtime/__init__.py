"""What all of the library needs of the process that it runs in."""
