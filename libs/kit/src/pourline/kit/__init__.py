"""Runtime plumbing shared by all services; no bar words."""
