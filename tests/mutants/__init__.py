"""The mutation check: small mistakes are made in the SQL, one at a time, and the tests must notice each."""
