"""The durable record of a run: its directory, its journal, its lease; knows neither tasks nor engines."""
