"""What `samebit demo` trains: a small network on the handwritten digits that scikit-learn ships."""
