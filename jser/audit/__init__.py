"""What a built corpus holds, how it sounds, what is in it twice, and what a protocol shares."""
