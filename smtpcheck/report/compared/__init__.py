"""What changed between reports, and over time?"""
