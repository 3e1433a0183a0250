"""How is a report kept, read again, and made fit for strangers?"""
