"""What a site is set up with: units, packages, images, dashboards, recipes."""
