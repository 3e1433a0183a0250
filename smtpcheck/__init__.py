"""Why does my mail not arrive, and what do I change?"""

__version__ = "0.1.0"
