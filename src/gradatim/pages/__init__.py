"""Offline pages: their shell, charts, tables of HTML, pictures that play."""
