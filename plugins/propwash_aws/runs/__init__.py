"""What EMR Serverless and EMR on EKS have in common: job runs in a place (an application, a virtual cluster) that are
started with a client token, listed by place, and cancelled by id.
"""
