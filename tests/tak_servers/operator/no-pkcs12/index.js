export function getPemFromP12() {
    throw new Error('PKCS#12 files are not read here');
}

export default { getPemFromP12 };
