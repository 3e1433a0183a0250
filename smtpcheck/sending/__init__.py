"""How does a message come to be, leave, and prove that it arrived?"""
