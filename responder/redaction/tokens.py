"""Tokens that vendors gave a shape of their own, so that they are found without a word beside them."""

from __future__ import annotations

TOKENS = (
    r"(?:AKIA|ASIA|AROA|AIDA|ABIA|ACCA)[A-Z0-9]{16}",  # AWS
    r"AIza[\w-]{35}|ya29\.[\w.-]{20,}|GOCSPX-[\w-]{20,}|1//0[\w-]{40,}",  # Google
    r"gh[pousr]_[A-Za-z0-9]{20,}|github_pat_\w{20,}|gl(?:pat|rt|dt|ptt|soat|cbt|ft|agent|imt|oas)-[\w-]{20,}",
    r"xox[abceoprs]-[\w-]{10,}|xapp-[\w-]{10,}",  # Slack
    r"[sr]k_(?:live|test)_\w{10,}|whsec_[\w+/=-]{16,}|sq0(?:atp|csp)-[\w-]{20,}",  # Stripe, Standard Webhooks, Square
    r"pdus\+[\w-]{10,}|u\+[\w-]{18}",  # PagerDuty
    r"sk-(?:proj|ant|svcacct|or)-[\w-]{20,}|sk-[A-Za-z0-9]{32,}|hf_[A-Za-z0-9]{30,}",  # model vendors
    r"gsk_[A-Za-z0-9]{40,}|r8_[A-Za-z0-9]{30,}|pplx-[A-Za-z0-9]{40,}|lsv2_\w{30,}|xai-[A-Za-z0-9]{40,}",
    r"SG\.[\w-]{16,}\.[\w-]{16,}|SK[0-9a-f]{32}|key-[0-9a-f]{32}",  # SendGrid, Twilio, Mailgun
    r"glsa_\w{32,}|glc_[\w+/=-]{32,}|hv[sbr]\.[\w-]{20,}|do[opr]_v1_[0-9a-f]{64}",  # Grafana, Vault, DigitalOcean
    r"npm_[A-Za-z0-9]{36}|pypi-[\w-]{50,}|rubygems_[0-9a-f]{48}|dckr_(?:pat|oat)_[\w-]{20,}|cio[A-Za-z0-9]{32}",
    r"shp(?:at|ss|ca|pa)_[0-9a-f]{32}|dapi[0-9a-f]{32}|NRAK-[A-Za-z0-9]{20,}|pul-[0-9a-f]{40}",
    r"sntry[su]_[\w+/=-]{20,}|AGE-SECRET-KEY-1[0-9A-Z]{40,}|tskey-[\w-]{20,}|fm[12]_[\w+/=-]{40,}",
    r"ATATT3[\w=-]{40,}|lin_api_\w{30,}|figd_[\w-]{30,}|HRKU-[\w-]{30,}|ntn_\w{40,}|PMAK-[\w-]{50,}",
    r"dp\.(?:pt|st|ct|sa)\.\w{40,}|dt0[a-z]\d\d\.\w{20,}\.\w{40,}|pscale_\w+_[\w.-]{30,}|sbp_[0-9a-f]{40}",
    r"atlasv1\.[\w-]{60,}|ops_eyJ[\w-]{60,}|sq[pua]_[0-9a-f]{40}|pat-(?:na|eu)\d-[0-9a-f-]{36}",
)
HASHED = r"(\$(?:2[abxy]?|5|6|y|7|argon2(?:id?|d)|scrypt)\$[\w./$=,+-]{20,})"
TELEGRAM = r"\b(?:bot)?(\d{8,10}:AA[\w-]{33})"

# Addresses that are secrets themselves: who knows them may post.
HOOKS = (
    r"(?i)hooks\.slack\.com/(?:services|workflows|triggers)/([\w/-]+)",
    r"(?i)discord(?:app)?\.com/api/webhooks/(\d+/[\w-]+)",
    r"(?i)webhook\.office\.com/webhookb2/([^\s\"'<>`\\]+)",
    r"(?i)hooks\.zapier\.com/hooks/catch/([\w/-]+)",
    r"(?i)events\.pagerduty\.com/integration/([0-9a-f]{32})",
)
