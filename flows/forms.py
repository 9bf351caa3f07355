"""What may be typed into the run forms; the server refuses anything else before a process starts."""

EMAIL = r"^[^@\s<>,;\"]+@[^@\s<>,;\"]+$"
# At most as long as tidegate.units reads them, and in its order.
DURATION = r"^(\d{1,3}d)?(\d{1,3}h)?(\d{1,3}m)?(\d{1,5}s)?$"
