"""Tells people about runs: chat, mail and webhooks through Apprise, issues, a Pushgateway; what was told is stored."""
