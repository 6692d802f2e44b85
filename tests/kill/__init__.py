"""The kill test: the gateway dies at random moments and at each named point while partners send; the ERP's ledger is the judge."""
