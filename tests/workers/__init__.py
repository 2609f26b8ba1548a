"""Real workers for tests: started as processes, with a stand-in for the trainer where training is not the point."""
