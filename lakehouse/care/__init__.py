"""The care of a lake: its bytes held against its log, what is left over removed, files of others taken in.

Knows what is damage and what is only left over. Refuses to compute rows, and to invent what is lost.
"""
