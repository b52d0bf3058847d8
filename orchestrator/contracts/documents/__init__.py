"""The JSON documents that stages leave behind, read by later stages, reports and the command; by the stages."""
