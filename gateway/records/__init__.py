"""The values that stages hand to the store and get back: one class a verb, no behaviour beyond small conversions. Knows neither stages nor rows."""
