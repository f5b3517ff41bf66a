"""The reference mathematics against PyTorch: ``make cross-check``. PyTorch is needed for this alone, never by the product or by
``make test``; a test of the ordinary suite demands that every reference function is compared here."""
