module plumbline.dev/keys

go 1.26
