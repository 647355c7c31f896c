"""Work spread over the nodes of a Ray cluster; knows neither tasks nor engines nor runs."""
