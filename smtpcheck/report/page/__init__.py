"""How does a report look as a page that opens anywhere?"""
