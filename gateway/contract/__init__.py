"""What the ERP's side and we hold each other to: a test of an ERP's endpoint, and the published descriptions of the interface."""
