"""The report page of an artifact: one HTML file without anything to load, for the people who decide about a model.

Pure: numbers and texts in, a page out. Imports no torch and no plotting library. What is measured is elsewhere.
"""
