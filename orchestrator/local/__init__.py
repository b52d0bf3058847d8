"""The embedded stack: Redis, pools, the orchestrator service and Flower as one supervised process tree."""
