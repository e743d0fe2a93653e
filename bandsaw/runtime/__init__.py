"""Facts and services of the current process that the whole library uses."""
