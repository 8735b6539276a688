"""The history: an index of every finished picture, in a database beside the ordinary picture files. `store` has the
facade, `History`; `entries` has its values, without the database's libraries."""
