"""Migrations of collections to other models: driven from here, kept by memory."""
