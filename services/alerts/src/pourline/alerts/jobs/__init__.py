"""What alerts does by itself: alert topics, notifications, timers."""

from pourline.alerts.jobs.channels import Mail, MailServer, Push
from pourline.alerts.jobs.sending import Channel, Sender
from pourline.alerts.jobs.timers import timers
from pourline.alerts.jobs.topics import AlertTopics

__all__ = ["AlertTopics", "Channel", "Mail", "MailServer", "Push", "Sender", "timers"]
