"""How does a report look in a notebook?"""
