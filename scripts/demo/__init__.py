"""The demo portal: a property site on loopback, and the market or the CSV snapshots it shows."""
