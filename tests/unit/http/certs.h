#pragma once
/* Certificates for tests only: an authority, a leaf for gateway.test and
 * 127.0.0.1 that it signed, and an authority that nobody knows. */

static const char ca_pem[] =
	"-----BEGIN CERTIFICATE-----\n"
	"MIIBiTCCAS+gAwIBAgIUdQOVFD8L4hrtXTumXPRhiRRBS3UwCgYIKoZIzj0EAwIw\n"
	"GTEXMBUGA1UEAwwOVGVzdCBhdXRob3JpdHkwIBcNMjYxMTIxMDAzMzQ4WhgPMjEy\n"
	"NjEwMjgwMDMzNDhaMBkxFzAVBgNVBAMMDlRlc3QgYXV0aG9yaXR5MFkwEwYHKoZI\n"
	"zj0CAQYIKoZIzj0DAQcDQgAEb4BpPNYzg8cIuFpl5KgjWuWeK2d5NEa7sJC4TbUB\n"
	"91LnboCNk60Y7L5F4+9p7696CoCA+43wUwE630xpD0F1WqNTMFEwHQYDVR0OBBYE\n"
	"FGSwrJv0sXL3y3jv/2a2qy6E1DXzMB8GA1UdIwQYMBaAFGSwrJv0sXL3y3jv/2a2\n"
	"qy6E1DXzMA8GA1UdEwEB/wQFMAMBAf8wCgYIKoZIzj0EAwIDSAAwRQIhAJAauwPT\n"
	"HTBlnoOxvmTHs/r8IDrAy7Z0H+yyrc3pXEnIAiAN87Y0vhMzFuWT5lD/iX9q4af8\n"
	"NuvUI9w/xz540fEyIA==\n"
	"-----END CERTIFICATE-----\n";

static const char leaf_pem[] =
	"-----BEGIN CERTIFICATE-----\n"
	"MIIBoDCCAUagAwIBAgIUM3SlPTRcqrcR3YhEjZoUZT0E71gwCgYIKoZIzj0EAwIw\n"
	"GTEXMBUGA1UEAwwOVGVzdCBhdXRob3JpdHkwIBcNMjYxMTIxMDAzMzQ5WhgPMjEy\n"
	"NjEwMjgwMDMzNDlaMBcxFTATBgNVBAMMDGdhdGV3YXkudGVzdDBZMBMGByqGSM49\n"
	"AgEGCCqGSM49AwEHA0IABAlcSsjP1fmz5JheJlyNzkRJfMvQ10zRWagkNuDcnLuO\n"
	"NRSf5Zy1Ts68u9BT3fK7tEmclv6YD7wEhax7li/t3hOjbDBqMB0GA1UdEQQWMBSC\n"
	"DGdhdGV3YXkudGVzdIcEfwAAATAJBgNVHRMEAjAAMB0GA1UdDgQWBBQzLem+xPzy\n"
	"HJD3PzoIEr2KM+hbtDAfBgNVHSMEGDAWgBRksKyb9LFy98t47/9mtqsuhNQ18zAK\n"
	"BggqhkjOPQQDAgNIADBFAiABr9/Pedp1E5SR+rtrDqxdvsXz62bLEr7C2FpFn69q\n"
	"UQIhAJZ+xaD87zT8xx6dLw7ik1qBuVb9y1s4427NULkc+yPJ\n"
	"-----END CERTIFICATE-----\n";

static const char leaf_key[] =
	"-----BEGIN PRIVATE KEY-----\n"
	"MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgYQKZRuXY9B2S8nHS\n"
	"xEy2SlL9Kuiash3zfbqPiMq5+BmhRANCAAQJXErIz9X5s+SYXiZcjc5ESXzL0NdM\n"
	"0VmoJDbg3Jy7jjUUn+WctU7OvLvQU93yu7RJnJb+mA+8BIWse5Yv7d4T\n"
	"-----END PRIVATE KEY-----\n";

static const char other_key[] =
	"-----BEGIN PRIVATE KEY-----\n"
	"MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQg7zx4+BeE0uiL69nW\n"
	"oCkB/+kKMa+nZ2dJgEtZ5vw/sfChRANCAATYnGlT735yiBM0U+TNy38Az/ze5tjd\n"
	"BW1nMHJrfhMG5MtJQxylqK8nYIep3EF984rULJmiP/sefMZF4X2vV+XR\n"
	"-----END PRIVATE KEY-----\n";

static const char stranger_pem[] =
	"-----BEGIN CERTIFICATE-----\n"
	"MIIBizCCATGgAwIBAgIUUfhbKhiVvZ0Qnh5gdZdb917ufbwwCgYIKoZIzj0EAwIw\n"
	"GjEYMBYGA1UEAwwPT3RoZXIgYXV0aG9yaXR5MCAXDTI2MTEyMTAwMzM0OVoYDzIx\n"
	"MjYxMDI4MDAzMzQ5WjAaMRgwFgYDVQQDDA9PdGhlciBhdXRob3JpdHkwWTATBgcq\n"
	"hkjOPQIBBggqhkjOPQMBBwNCAAQzZsYPNXcbFKwver9ebtgBA7nSp0edW2QaxC1/\n"
	"1j7/FGaXzCF97hP7jpYmgmsFf+cMov1UQ4cir0wRAy3fti3Ko1MwUTAdBgNVHQ4E\n"
	"FgQUhgqejoR7K7ZK+fN+oQzBaAbqzNwwHwYDVR0jBBgwFoAUhgqejoR7K7ZK+fN+\n"
	"oQzBaAbqzNwwDwYDVR0TAQH/BAUwAwEB/zAKBggqhkjOPQQDAgNIADBFAiAispSb\n"
	"C97lCsJhPSBdQp44eQ9ao1by+LES5uRgZDL+UgIhAO0F726mD014iyPa5mheUun+\n"
	"Wfh+KFSl/He2TBDiT+hs\n"
	"-----END CERTIFICATE-----\n";
