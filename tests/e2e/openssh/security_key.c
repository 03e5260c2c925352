/*
 * A security key in software, as OpenSSH's middleware interface has it (PROTOCOL.u2f, sk-api.h): an
 * ed25519 key whose handle is its seed. It signs when it has been touched: when somebody has written
 * to the FIFO that OUTLAST_TEST_TOUCH names.
 *
 * OpenSSL's functions are declared here, so that its headers need not be installed.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void *EVP_PKEY_new_raw_private_key(int, void *, const unsigned char *, size_t);
int EVP_PKEY_get_raw_public_key(const void *, unsigned char *, size_t *);
void EVP_PKEY_free(void *);
void *EVP_MD_CTX_new(void);
void EVP_MD_CTX_free(void *);
int EVP_DigestSignInit(void *, void **, const void *, void *, void *);
int EVP_DigestSign(void *, unsigned char *, size_t *, const unsigned char *, size_t);
unsigned char *SHA256(const unsigned char *, size_t, unsigned char *);
int RAND_bytes(unsigned char *, int);

#define ED25519 1087 /* NID_ED25519 */
#define VERSION 0x000a0000
#define SK_ED25519 1
#define PRESENT 1
#define UNSUPPORTED (-2)
#define FAILED (-1)

struct enrolled {
	uint8_t flags;
	uint8_t *public_key;
	size_t public_key_len;
	uint8_t *key_handle;
	size_t key_handle_len;
	uint8_t *signature;
	size_t signature_len;
	uint8_t *attestation_cert;
	size_t attestation_cert_len;
	uint8_t *authdata;
	size_t authdata_len;
};

struct signature {
	uint8_t flags;
	uint32_t counter;
	uint8_t *sig_r;
	size_t sig_r_len;
	uint8_t *sig_s;
	size_t sig_s_len;
};

uint32_t sk_api_version(void)
{
	return VERSION;
}

static int touched(void)
{
	const char *path = getenv("OUTLAST_TEST_TOUCH");
	FILE *fifo;
	int byte;

	if (path == NULL || (fifo = fopen(path, "r")) == NULL)
		return 0;
	byte = fgetc(fifo);
	fclose(fifo);
	return byte != EOF;
}

int sk_enroll(uint32_t alg, const uint8_t *challenge, size_t challenge_len,
    const char *application, uint8_t flags, const char *pin, void **options,
    struct enrolled **response)
{
	struct enrolled *made = calloc(1, sizeof(*made));
	size_t public_len = 32;
	void *key;

	(void)challenge, (void)challenge_len, (void)application, (void)pin, (void)options;
	if (alg != SK_ED25519)
		return UNSUPPORTED;
	made->flags = flags;
	made->key_handle = malloc(32);
	made->key_handle_len = 32;
	made->public_key = malloc(32);
	made->public_key_len = 32;
	/* Nobody attests to what it is. */
	made->signature = calloc(1, 64);
	made->signature_len = 64;
	if (RAND_bytes(made->key_handle, 32) != 1)
		return FAILED;
	key = EVP_PKEY_new_raw_private_key(ED25519, NULL, made->key_handle, 32);
	if (key == NULL || EVP_PKEY_get_raw_public_key(key, made->public_key, &public_len) != 1)
		return FAILED;
	EVP_PKEY_free(key);
	*response = made;
	return 0;
}

int sk_sign(uint32_t alg, const uint8_t *data, size_t data_len, const char *application,
    const uint8_t *handle, size_t handle_len, uint8_t flags, const char *pin, void **options,
    struct signature **response)
{
	struct signature *made = calloc(1, sizeof(*made));
	uint8_t message[32 + 1 + 4 + 32];
	size_t length = 64;
	void *key, *context;

	(void)pin, (void)options;
	if (alg != SK_ED25519 || handle_len != 32)
		return UNSUPPORTED;
	if ((flags & PRESENT) && !touched())
		return FAILED;
	made->flags = flags & PRESENT;
	made->counter = 0x01020304;
	SHA256((const uint8_t *)application, strlen(application), message);
	message[32] = made->flags;
	memcpy(message + 33, "\x01\x02\x03\x04", 4);
	SHA256(data, data_len, message + 37);
	made->sig_r = malloc(64);
	made->sig_r_len = 64;
	key = EVP_PKEY_new_raw_private_key(ED25519, NULL, handle, 32);
	context = EVP_MD_CTX_new();
	if (key == NULL || EVP_DigestSignInit(context, NULL, NULL, NULL, key) != 1 ||
	    EVP_DigestSign(context, made->sig_r, &length, message, sizeof(message)) != 1)
		return FAILED;
	EVP_MD_CTX_free(context);
	EVP_PKEY_free(key);
	*response = made;
	return 0;
}

int sk_load_resident_keys(const char *pin, void **options, void ***keys, size_t *count)
{
	(void)pin, (void)options, (void)keys, (void)count;
	return UNSUPPORTED;
}
