"""Submit, read, list and watch training jobs. The store is the truth; Redis is asked for progress only."""
