"""What may pass and what must be retained: values only, no clock, no broker."""

from pourline.mqtt_bridge.domain.backoff import pause_s
from pourline.mqtt_bridge.domain.mirror import Mirror
from pourline.mqtt_bridge.domain.topics import fits, subject_of, topic_filter

__all__ = ["Mirror", "fits", "pause_s", "subject_of", "topic_filter"]
