"""What people read: sentences, pages and messages."""
