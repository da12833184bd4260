"""Everything that touches disk: tables, the store of the sync path, office reads, the writer, objects and images."""
