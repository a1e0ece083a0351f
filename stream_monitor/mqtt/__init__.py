"""Events as MQTT 5 messages. Only `connection.py` knows the client's library."""
