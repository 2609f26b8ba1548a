"""The only door to the device: the engine interface, the torch engine, and the threads that compute."""
